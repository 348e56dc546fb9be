"""export: one model's encoder as ONNX in fp32 and int8, checked against PyTorch and measured."""

import argparse

from minimoe import tracking
from minimoe.params import load, named
from minimoe.params.settings import settings
from minimoe.system import machine
from minimoe.system.files import write_json
from stages import run


def main() -> None:
    """Run the stage for the model named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", help="as in export.models")
    params = load()
    model = named(params, "export.models", parser.parse_args().model)
    with machine.importing():
        from minimoe.export.encoder import export_encoder
    chosen, out = settings("cost"), f"exported/{model}/encoder"
    tags = {"stage": "export", "model": model}
    inputs = {f"models/{model}": "model", "data/records": "evaluation"}
    with tracking.run(params.runtime.tracking, f"{model}/encoder", tags, chosen, inputs=inputs) as tracker:
        made = export_encoder(f"models/{model}", "data/records", out, **chosen)
        tracker.metrics(made)
    write_json(f"metrics/export/{model}/encoder.json", made | {"machine": machine.machine("cpu")})
    print(f"{out}: error {made['error']:.1g}; cosine of int8 {made['cosine']:.4f}")


if __name__ == "__main__":
    run(main)
