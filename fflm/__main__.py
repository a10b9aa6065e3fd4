"""``python -m fflm``"""

import sys

from fflm.cli.main import main

sys.exit(main())
