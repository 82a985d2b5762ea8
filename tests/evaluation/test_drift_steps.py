"""Which steps of a sequence benchmarks/drift.py counts as seams, by hand."""

from benchmarks.drift import steps_of


def test_clips_that_stand_alone_meet_where_their_numbers_begin_anew():
    places = [*range(9), *range(9)]
    assert steps_of(places, 4) == ([9], [1, 5, 10, 14], [2, 3, 4, 6, 7, 8, 11, 12, 13, 15, 16, 17])


def test_a_seam_that_is_a_latent_frames_border_too_is_a_seam():
    places = [*range(9), *range(1, 9), *range(1, 9)]
    seams, borders, others = steps_of(places, 4)
    assert (seams, borders) == ([9, 17], [1, 5, 13, 21])
    assert len(others) == 24 - 6
