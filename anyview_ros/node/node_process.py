"""The process of the node `anyview`: sets up its memory before an import begins threads."""

from __future__ import annotations

from collections.abc import Sequence

from anyview_ros.node.allocator import keep_freed_memory, share_heap
from anyview_ros.node.signals import quiet_interrupts


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the node, as `anyview_node.main`."""
    share_heap()
    keep_freed_memory()
    with quiet_interrupts():
        from anyview_ros.node import anyview_node
    anyview_node.main(arguments)


if __name__ == "__main__":
    main()
