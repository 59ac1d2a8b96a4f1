"""`python -m mainstay`."""

from mainstay.cli import main

if __name__ == "__main__":
    main()
