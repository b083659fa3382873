"""The tests that need dlib and its model are skipped, with the reason, where one of them is missing."""

import pytest

from occface_core.errors import PackageMissing
from occface_dlib.landmarks import DlibLandmarks


@pytest.fixture(scope="session")
def detector():
    return ready()


def ready(**options):
    stage = DlibLandmarks(**options)
    try:
        stage.setup("cpu")
    except PackageMissing as error:
        pytest.skip(str(error))
    return stage
