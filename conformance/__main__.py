"""`python -m conformance` is `completions-conformance`."""

import sys

from conformance.cli import main

sys.exit(main())
