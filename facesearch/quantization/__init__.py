"""INT8 encoders: recipes, quantizers for each backend, and what they cost in fidelity.

Everything here but `recipe` needs the extra [torch] (onnx), that for OpenVINO also [openvino] and NNCF.
"""
