"""ONNX: sessions that run a model, and what its graph holds."""
