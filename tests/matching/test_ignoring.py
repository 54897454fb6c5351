"""What a list of files to ignore takes out of an answer, and what it never does."""

from dataclasses import replace
from itertools import product

import pytest
from test_rules import POLICY, hit, movie, picture

from safelight.matching.rules import Nearness, Standing, best_per_entry, judge, weigh
from safelight.model import Algorithm, Match, Scene, Verdict, VideoMatch

WHOLE = (0.0, 60.0)


def ignorable(distance=0, **more):
    return hit(distance, entry=9, list_name="logos", standing=Standing.IGNORE, **more)


def at(one, frame, *, stored=False, time=None):
    """The hit as one of another frame of the file."""
    return replace(one, match=replace(one.match, frame=frame, time=time), stored=stored)


def shared(query, listed, *scenes, **more):
    """A video match: the percents, and scenes from second to second."""
    some = tuple(
        Scene(start=start, end=end, list_start=start, list_end=end) for start, end in scenes
    )
    video = VideoMatch(query_percent=query, list_percent=listed, scenes=some)
    one = hit(2, algorithm=Algorithm.VPDQ, **more)
    return replace(one, match=replace(one.match, video=video, time=some[0].start))


def ignored_video(query, listed, *scenes):
    return shared(query, listed, *scenes, entry=9, list_name="trailers", standing=Standing.IGNORE)


@pytest.mark.parametrize(
    ("listed", "ignored", "suppressed"),
    [
        # as near or nearer: it explains the match
        (hit(4), ignorable(0), True),
        (hit(4), ignorable(3), True),
        (hit(4), ignorable(4), True),
        # farther: it does not
        (hit(4), ignorable(5), False),
        # equal to both, of a quality that says little: to ignore
        (hit(0, quality=3), ignorable(0, quality=3), True),
        # exact is exact, whatever is on a list to ignore
        (hit(0), ignorable(0), False),
        (hit(algorithm=Algorithm.MD5), ignorable(algorithm=Algorithm.MD5), False),
        # another page of the file, or its pixels as they lie in the file, is another picture
        (hit(4), at(ignorable(0), 1), False),
        (at(hit(4), 1), at(ignorable(0), 1), True),
        (hit(4), at(ignorable(0), 0, stored=True), False),
        # in observe mode a list to ignore changes nothing
        (hit(4), replace(ignorable(0), standing=Standing.OBSERVED), False),
    ],
)
def test_a_near_match_is_explained_by_what_is_as_near(listed, ignored, suppressed):
    answer = judge(picture(), best_per_entry([listed, ignored]), POLICY)
    if suppressed:
        assert answer.verdict is Verdict.NO_MATCH
        assert (answer.matches, answer.suppressed) == ((), (listed.match,))
    else:
        assert answer.verdict is (Verdict.KNOWN if listed.is_known else Verdict.SIMILAR)
        assert answer.suppressed == ()
        assert [match.entry for match in answer.matches] == [1]


@pytest.mark.parametrize("by", [ignorable(quality=3), ignorable(algorithm=Algorithm.MD5)])
def test_what_people_confirmed_and_is_equal_is_never_set_aside(by):
    """However little its hash says, and whatever else of the file is explained."""
    equal = replace(hit(quality=3), confirmed=True)
    near = replace(hit(4, entry=2), confirmed=True)
    answer = judge(picture(quality=3), best_per_entry([equal, near, by]), POLICY)
    assert answer.verdict is Verdict.SIMILAR
    assert (answer.matches, answer.suppressed) == ((equal.match,), (near.match,))


def test_the_reason_names_what_explains_it():
    answer = judge(picture(), [hit(4), ignorable(3)], POLICY)
    assert answer.reasons == (
        "ignored_near: near_pdq: 4 of 256 bits from entry 1 of list demo (radius 31); 3 of 256 bits"
        " from entry 9 of list logos, to ignore",
    )


def test_what_is_not_explained_still_counts():
    answer = judge(picture(), [hit(2, entry=1), hit(4, entry=2), ignorable(3)], POLICY)
    assert answer.verdict is Verdict.SIMILAR
    assert [match.entry for match in answer.matches] == [1]
    assert [match.entry for match in answer.suppressed] == [2]
    assert [reason.partition(":")[0] for reason in answer.reasons] == ["near_pdq", "ignored_near"]


def test_a_page_that_is_explained_hides_no_other_page():
    nearer, farther = hit(4), at(hit(9), 1)
    hits = best_per_entry([nearer, farther, ignorable(1)])
    assert len(hits) == 3  # the nearest of each page, where one is near to what is to ignore
    answer = judge(picture(), hits, POLICY)
    assert (answer.matches, answer.suppressed) == ((farther.match,), (nearer.match,))
    assert best_per_entry([nearer, farther]) == [nearer]


def test_the_nearest_of_several_to_ignore_on_each_page_counts():
    hits = [at(hit(5), 1), ignorable(1), at(ignorable(3), 1)]
    answer = judge(picture(), best_per_entry(hits), POLICY)
    assert answer.verdict is Verdict.NO_MATCH


def test_nothing_to_ignore_alone_is_told():
    assert judge(picture(), [ignorable(0), ignorable(3)], POLICY).reasons == ()


@pytest.mark.parametrize(
    ("listed", "ignored", "suppressed"),
    [
        (shared(40, 90, (0, 9)), ignored_video(40, 90, (0, 9)), True),
        (shared(40, 90, (0, 9)), ignored_video(50, 95, WHOLE), True),
        # a smaller share of either
        (shared(40, 90, (0, 9)), ignored_video(39, 95, WHOLE), False),
        (shared(40, 90, (0, 9)), ignored_video(60, 89, WHOLE), False),
        # more is shared, but it is another part of the file
        (shared(40, 90, (0, 9)), ignored_video(60, 90, (10, 60)), False),
        (shared(40, 90, (0, 9), (50, 59)), ignored_video(60, 90, (0, 20)), False),
        (shared(40, 90, (0, 9), (50, 59)), ignored_video(60, 90, (0, 20), (45, 60)), True),
        # a single picture, even an equal one, explains no video
        (shared(1, 1, (0, 1)), at(ignorable(0), 0, time=0.0), False),
        # nor one of a picture on a list, of which only the nearest frame is known
        (at(hit(4), 0, time=0.0), at(ignorable(0), 0, time=0.0), False),
        (at(hit(4), 0, time=0.0), ignored_video(100, 100, WHOLE), False),
        # the very file does
        (shared(90, 90, WHOLE), ignorable(algorithm=Algorithm.SHA1), True),
        (at(hit(4), 0, time=0.0), ignorable(algorithm=Algorithm.SHA1), True),
    ],
)
def test_a_video_is_explained_by_a_video_that_shares_more(listed, ignored, suppressed):
    answer = judge(movie(), best_per_entry([listed, ignored]), POLICY)
    assert answer.verdict is (Verdict.NO_MATCH if suppressed else Verdict.SIMILAR)
    assert answer.suppressed == ((listed.match,) if suppressed else ())


@pytest.mark.parametrize(("share", "suppressed"), [(100.0, True), (50.0, False)])
def test_a_picture_of_a_listed_video_is_explained_by_one_to_ignore(share, suppressed):
    listed, ignored = shared(50, 1, (0, 0)), ignored_video(share, 1, (0, 0))
    hits = [at(one, 0) for one in (listed, ignored)]
    answer = judge(picture(), best_per_entry(hits), POLICY)
    assert bool(answer.suppressed) is suppressed


def test_nothing_exact_is_ever_suppressed():
    """Every combination of an exact hit with what might explain it."""
    exact = [hit(0), hit(algorithm=Algorithm.SHA256)]
    ignoring = [ignorable(0), ignorable(algorithm=Algorithm.SHA256), ignored_video(100, 100, WHOLE)]
    for one, near, by in product(exact, [hit(3, entry=2), shared(9, 9, WHOLE, entry=2)], ignoring):
        weighed = weigh([one, near, by])
        assert weighed.suppressed == ()
        assert {known.match.entry for known in weighed.counting} == {1, 2}


def test_an_entry_for_equality_only_says_so():
    match = Match(list_name="demo", entry=1, algorithm=Algorithm.PDQ, distance=0)
    one = replace(hit(), match=match, exact_only=True, near=Nearness(radius=9))
    assert judge(picture(), [one], POLICY).reasons == (
        "same_pdq: the PDQ hash is that of entry 1 of list demo; compared for equality only, as it"
        " is near to too many ordinary pictures",
    )
