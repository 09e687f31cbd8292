"""`python -m webhook`: the same program as `netpol-preflight`."""

import sys

from webhook.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
