"""Networks below eight bits for the torch backend: quantizers, the layer that uses them, and the file that holds one.

What makes such a network is in `facesearch.quantization.lowbit`. Needs the extra [torch].
"""
