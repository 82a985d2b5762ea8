"""The joint family in the live node: the same bytes over DDS as in the pipeline beside it."""

import numpy as np
import pytest

from anyview_ros.engine.pipeline import Pipeline, SynthesisOptions
from anyview_ros.frames import View
from anyview_ros.imaging.message_fields import rgb_from_image
from anyview_ros.packages import load_package
from tests.node.rig import CAMERA, SENT, asked, clip, live, raised_camera

pytestmark = pytest.mark.graph

DOMAIN = 100


def test_the_node_publishes_what_the_pipeline_makes(package):
    with live(DOMAIN, package) as (opened, rig, caller):
        rig.send(SENT)
        assert caller.add(raised_camera("chase")).success
        heard = caller.listen_to(asked("chase"))
        result = caller.synthesize_when_ready(asked("chase", seed=3))
        assert result.success, result.message
        opened.wait_until(lambda: len(heard["image_raw"]) >= 9, "9 frames")
    info = result.infos[0]
    assert (info.model, info.speed, info.steps) == ("joint-tiny", "exact", 4)
    assert (info.generated_height, info.generated_width) == (48, 96)
    source = clip("front", SENT[-9:])
    raised = np.stack([frame.world_from_cam for frame in source.frames])
    raised[:, 0, 3] -= 1.0
    raised[:, 2, 3] += 2.5
    expected = Pipeline(load_package(package), "cpu").synthesize(
        [source], View(CAMERA, raised), SynthesisOptions(seed=3)
    )
    made = [rgb_from_image(image) for image in heard["image_raw"]]
    np.testing.assert_array_equal(made, expected.frames)
