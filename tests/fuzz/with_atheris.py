"""Let Atheris change files, guided by which lines are run: pip install 'kitro-np[fuzz]', then

python tests/fuzz/with_atheris.py READER [options of libFuzzer, such as -max_total_time=3600]
"""

import sys
import tempfile
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parents[1]))

with atheris.instrument_imports(include=["kitro_np"]):
    import kitro_np  # noqa: F401

from fuzz.drive import HERE, read
from fuzz.readers import READERS


def main():
    reader = sys.argv.pop(1)
    found = HERE / "found" / reader  # what it keeps, of which it goes on
    found.mkdir(parents=True, exist_ok=True)
    for seed in (HERE / "corpus").glob(f"{reader}-*"):
        (found / seed.name).write_bytes(seed.read_bytes())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"file{READERS[reader][0]}"

        def one(data):
            path.write_bytes(data)
            read(reader, path)

        atheris.Setup([*sys.argv, str(found)], one)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
