"""`python -m nebulus`: the command line."""

from nebulus.cli.main import run

if __name__ == "__main__":
    run()
