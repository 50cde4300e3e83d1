"""`python -m label_studio_ml` is the command `label-studio-ml`."""

import sys

from label_studio_ml.cli.main import main

sys.exit(main())
