"""Fulfil the wishes of the page, one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anyview_ros.errors import AnyviewError
from anyview_ros.view.page_text import error_text
from anyview_ros.view.virtual_view import Viewer, VirtualClip
from anyview_ros.view.wishes import Wish, Wishes

if TYPE_CHECKING:
    from anyview_ros.view.page import Page

QUICK_S = 2.0  # a draft that takes longer is not made while a camera is in the hand


def serve(page: Page, viewer: Viewer, wishes: Wishes) -> None:
    """Show what is wished for until interrupted. The thread that calls it reads the bag."""
    server = WishServer(page, viewer, wishes)
    while True:
        server.fulfil(wishes.take())


class WishServer:
    """Fulfils wishes, the newest first: exact work stops for a newer one, a draft is finished."""

    def __init__(self, page: Page, viewer: Viewer, wishes: Wishes) -> None:
        self._page, self._viewer, self._wishes = page, viewer, wishes
        self._made: VirtualClip | None = None
        self._draft_s = 0.0  # the quickest so far

    def fulfil(self, wish: Wish) -> None:
        """Show a wish's instant and its virtual camera, or say on the page why not."""
        recording = self._viewer.recording
        if wish.dragging and (self._draft_s > QUICK_S or not self._viewer.has_draft):
            return
        try:
            frames = {name: recording.frame(name, wish.instant) for name in recording.names}
            carrier = recording.world_from(wish.pose.frame, recording.stamp_ns(wish.instant))
            self._page.show_sources(frames, carrier)
            made = self._made
            if made is None or not made.shows(wish, recording.clip_of(wish.instant)):
                made = self._make(wish)
            self._page.show(made, wish.instant)
        except AnyviewError as error:
            if error.code != "cancelled":
                self._page.tell(error_text(error))

    def _make(self, wish: Wish) -> VirtualClip:
        def superseded() -> bool:
            return not wish.dragging and self._wishes.waiting

        if not wish.dragging:
            self._page.tell("*making the view ...*")
        self._made = made = self._viewer.make(wish, superseded)
        if wish.dragging:
            self._draft_s = min(self._draft_s or made.seconds, made.seconds)
        return made
