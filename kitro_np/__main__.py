"""Run the command line: kitro-np, or python -m kitro_np."""

import sys


def run() -> int:
    """Run the command line; Ctrl-C is no error either while its modules are imported."""
    from .cli.exit_status import ExitStatus

    try:
        from .cli.main import main
    except KeyboardInterrupt:
        print("kitro-np: stopped.", file=sys.stderr)
        return ExitStatus.STOPPED
    return main()


if __name__ == "__main__":
    sys.exit(run())
