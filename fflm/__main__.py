"""``python -m fflm``"""

import sys

from fflm.cli import main

sys.exit(main())
