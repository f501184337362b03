"""`python -m tersevec`: see `tersevec._cli`."""

import sys

from tersevec._cli import main

if __name__ == "__main__":
    sys.exit(main())
