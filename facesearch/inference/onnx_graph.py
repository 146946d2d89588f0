"""What is done to ONNX graphs here: walk over their tensors, compute what is constant, write them to a file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator

from facesearch.errors import WeightsError
from facesearch.files.durable import write_atomically

MAX_BYTES = (2 << 30) - 1  # what one protobuf message can hold

_RANDOM = {"RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike", "Multinomial", "Bernoulli"}


def all_nodes(model: onnx.ModelProto) -> Iterator[onnx.NodeProto]:
    """Every node of the graph, of the graphs inside its nodes, and of the model's own functions."""
    yield from _nodes(model.graph.node)
    for function in model.functions:
        yield from _nodes(function.node)


def all_tensors(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    """Every stored tensor: initializers and attributes, at any depth."""
    yield from _initializers(model.graph)
    for node in all_nodes(model):
        for attribute in node.attribute:
            yield from attribute.tensors
            for sparse in (*attribute.sparse_tensors, attribute.sparse_tensor):
                yield from (sparse.values, sparse.indices)
            if attribute.HasField("t"):
                yield attribute.t
            for graph in _graphs(attribute):
                yield from _initializers(graph)


def all_sparse_tensors(model: onnx.ModelProto) -> Iterator[onnx.SparseTensorProto]:
    """Every stored sparse tensor, at any depth."""
    yield from model.graph.sparse_initializer
    for node in all_nodes(model):
        for attribute in node.attribute:
            yield from attribute.sparse_tensors
            if attribute.HasField("sparse_tensor"):
                yield attribute.sparse_tensor
            for graph in _graphs(attribute):
                yield from graph.sparse_initializer


def fold_constants(model: onnx.ModelProto) -> None:
    """Put the value in place of each node of the main graph that depends on no input; drop unused initializers.

    Quantizers look for weights among the initializers, and would take a product of two constants for a layer.
    """
    graph = model.graph
    opsets = {entry.domain: entry.version for entry in model.opset_import}
    known = {tensor.name: tensor for tensor in graph.initializer}
    kept: list[onnx.NodeProto] = []
    for node in graph.node:
        inputs = [name for name in node.input if name]
        nested = any(True for attribute in node.attribute for _ in _graphs(attribute))
        if nested or node.domain or node.op_type in _RANDOM or not all(name in known for name in inputs):
            kept.append(node)
            continue
        feeds = {name: numpy_helper.to_array(known[name]) for name in inputs}
        results = ReferenceEvaluator(node, opsets=opsets).run(None, feeds)
        for name, value in zip(node.output, results, strict=True):
            known[name] = numpy_helper.from_array(np.asarray(value), name)
    used = {name for node in kept for name in _reads(node)} | {output.name for output in graph.output}
    del graph.node[:]
    graph.node.extend(kept)
    del graph.initializer[:]
    graph.initializer.extend(tensor for name, tensor in known.items() if name in used)


def drop_unused_nodes(model: onnx.ModelProto) -> None:
    """Take out the nodes and initializers of the main graph that none of its outputs needs."""
    graph = model.graph
    used = {output.name for output in graph.output}
    kept: list[onnx.NodeProto] = []
    for node in reversed(graph.node):
        if used.intersection(node.output):
            kept.append(node)
            used.update(_reads(node))
    weights = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.node[:]
    graph.node.extend(reversed(kept))
    del graph.initializer[:]
    graph.initializer.extend(weights)


def serialise(model: onnx.ModelProto, name: str) -> bytes:
    """The checked model as bytes, the same for the same graph; `name` says in messages which model it is."""
    if model.ByteSize() > MAX_BYTES:
        raise WeightsError(f"{name} is larger than 2 GiB as ONNX, more than one file can hold: give a smaller model")
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as error:
        raise WeightsError(f"{name} is not a valid ONNX model: {first_line(error)}") from error
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def write_durably(data: bytes, path: Path) -> None:
    """Write a file whole or not at all; raises `WeightsError`."""
    try:
        write_atomically(path, lambda file: file.write(data), public=True)
    except OSError as error:
        raise WeightsError(f"cannot write '{path}': {error.strerror or error}") from error


def first_line(error: Exception) -> str:
    """The first line of a message of a library, to be part of ours."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:300] if lines else type(error).__name__


def _graphs(attribute: onnx.AttributeProto) -> Iterator[onnx.GraphProto]:
    if attribute.HasField("g"):
        yield attribute.g
    yield from attribute.graphs


def _nodes(nodes: Iterable[onnx.NodeProto]) -> Iterator[onnx.NodeProto]:
    for node in nodes:
        yield node
        for attribute in node.attribute:
            for graph in _graphs(attribute):
                yield from _nodes(graph.node)


def _initializers(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)


def _reads(node: onnx.NodeProto) -> Iterator[str]:
    """Names that a node needs, those that graphs inside it take from around them included."""
    for inner in _nodes([node]):
        yield from inner.input
    for attribute in node.attribute:
        for graph in _graphs(attribute):
            yield from (output.name for output in graph.output)
