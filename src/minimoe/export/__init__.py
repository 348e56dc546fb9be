"""Export models to ONNX, in fp32 and int8, check them against PyTorch, and measure them."""
