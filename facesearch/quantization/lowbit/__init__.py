"""Weights and activations of 3 to 8 bits: QuantFace's methods and the ones they are compared with, for any encoder.

`quantize(network, config, crops)` in `facesearch.quantization.lowbit.quantize_network` is the entry; `config` says what
there is to choose. Needs the extra [torch]. docs/research/low-bit.md explains the methods.
"""
