"""The only place where tests name a path outside their own folders; GLUE lies beside the checkout, or is absent."""

from pathlib import Path

import pytest

from read_repro.config.files import CONF

__all__ = ["CONF", "GLUE", "ROOT", "needs_glue"]

ROOT = Path(__file__).resolve().parent.parent
GLUE = ROOT.parent / "shared" / "glue"
needs_glue = pytest.mark.skipif(not GLUE.is_dir(), reason="real GLUE is not beside this checkout (../shared/glue)")
