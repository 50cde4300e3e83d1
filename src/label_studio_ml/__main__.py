"""Run the command `label-studio-ml` for `python -m label_studio_ml`."""

import sys

from label_studio_ml.cli.main import main

sys.exit(main())
