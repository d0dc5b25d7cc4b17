"""Graphs of decoders, taken apart: what is calculated once a picture, at the first token, and at every other.

Exporters put all of it into one file. A merged one holds two graphs, of which `use_cache_branch` chooses; one
that was exported without the keys and values of its attention to the picture calculates these again at every
token, for every beam, which is nine tenths of its work.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ambience.errors import CorruptModelError
from ambience.models._openvino import imported_openvino
from ambience.models.engine import RUNTIME_ERRORS, brief
from ambience.models.onnx_files import check_onnx

PAST, PRESENT = "past_key_values.", "present."
"""Prefixes of the keys and values that a decoder takes, and of those that it makes."""

OF_PICTURE = ".encoder."
"""In the names of keys and values of the picture, which stay the same from token to token."""

HIDDEN, MASK, SWITCH, LOGITS = "encoder_hidden_states", "encoder_attention_mask", "use_cache_branch", "logits"
TOKENS, EMBEDDED = "input_ids", "inputs_embeds"

KEPT = "kept."
"""Prefix of the names of what is calculated once a picture."""


@dataclass(frozen=True, slots=True)
class NamedGraph:
    """A graph with the names by which others know its inputs and outputs.

    Attributes:
        graph: `openvino.Model`.
        inputs: in its order.
        outputs: in its order.
    """

    graph: Any
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DecoderGraphs:
    """One decoder.

    Attributes:
        first: from the first token and the picture to scores, and all keys and values; None where `later`
            does that, with no keys and values of tokens before.
        later: from a token and what is kept of those before it to its scores, and more to keep.
        once: from the picture to what `later` takes of it under names that begin with `KEPT`; None where
            there is nothing of that sort.
    """

    first: NamedGraph | None
    later: NamedGraph
    once: NamedGraph | None


def read_graph(file: Path, inputs: Iterable[str], outputs: Iterable[str]) -> NamedGraph:
    """The graph of an ONNX file that was looked through, with exactly the inputs that are expected.

    Args:
        file: the network.
        inputs: that it must take, and no others.
        outputs: that it must have.

    Returns:
        The graph.

    Raises:
        CorruptModelError: it cannot be read, or is another network than the one meant.
        OSError: the file cannot be read.
    """
    whole = _read(file)
    _check_names(file, whole, set(inputs), set(outputs))
    return whole


def split_decoder(file: Path) -> DecoderGraphs:
    """The parts of a decoder.

    Args:
        file: ONNX, with or without a switch between two graphs.

    Returns:
        Its graphs.

    Raises:
        CorruptModelError: it cannot be read, or is no decoder of the known form.
        OSError: the file cannot be read.
    """
    whole = _read(file)
    try:
        graphs = DecoderGraphs(None, whole, None)
        if SWITCH in whole.inputs:
            later, first = _branches(file, whole)
            graphs = DecoderGraphs(first, later, None)
        _check_decoder(file, graphs)
        if any(OF_PICTURE in name for name in graphs.later.inputs):
            return graphs
        return _calculated_once(graphs.later)
    except RUNTIME_ERRORS as exc:
        raise CorruptModelError(f"{file} is not used: OpenVINO says {brief(exc)}") from exc


def _read(file: Path) -> NamedGraph:
    check_onnx(file)
    try:
        graph = imported_openvino().Core().read_model(file)
        inputs, outputs = (
            [min(port.get_names()) for port in ports] for ports in (graph.inputs, graph.outputs)
        )
    except RUNTIME_ERRORS as exc:
        raise CorruptModelError(f"{file} is not used: OpenVINO says {brief(exc)}") from exc
    return NamedGraph(graph, tuple(inputs), tuple(outputs))


def _check_names(file: Path, graph: NamedGraph, inputs: set[str], outputs: set[str]) -> None:
    """Raises `CorruptModelError` where a graph lacks inputs or outputs, or takes others than are known."""
    has = set(graph.inputs)
    faults = [
        f"{what} {', '.join(sorted(names))}"
        for what, names in (
            ("lacks the inputs", inputs - has),
            ("takes inputs that are not known:", has - inputs),
            ("lacks the outputs", outputs - set(graph.outputs)),
        )
        if names
    ]
    if faults:
        raise CorruptModelError(
            f"{file} is not used: it {' and '.join(faults)}; it takes {', '.join(sorted(has)) or 'nothing'} "
            f"and makes {', '.join(sorted(graph.outputs)) or 'nothing'}: another model's?"
        )


def _check_decoder(file: Path, graphs: DecoderGraphs) -> None:
    """Names are those of a decoder, and all that it takes of tokens before is what it makes."""
    has = set(graphs.later.inputs)
    past = {name for name in has if name.startswith(PAST)}
    of_picture = {name for name in past if OF_PICTURE in name}
    if not past:
        raise CorruptModelError(
            f"{file} is not used: it takes no {PAST}*, the keys and values of tokens before; the file that "
            f"has them is needed, most often decoder_model_merged.onnx"
        )
    token = EMBEDDED if EMBEDDED in has else TOKENS
    needed = {token, *past} | (has & {HIDDEN, MASK}) | (set() if of_picture else {HIDDEN})
    made = {PRESENT + name.removeprefix(PAST) for name in past}
    of_tokens = {name for name in made if OF_PICTURE not in name}
    _check_names(file, graphs.later, needed, {LOGITS, *of_tokens})
    if not of_picture:
        return
    if graphs.first is None:
        raise CorruptModelError(
            f"{file} is not used: it takes keys and values of the picture that nothing makes; the file that "
            f"chooses by {SWITCH} is needed, most often decoder_model_merged.onnx"
        )
    _check_names(file, graphs.first, {token, HIDDEN} | (set(graphs.first.inputs) & {MASK}), {LOGITS, *made})


def _branches(file: Path, whole: NamedGraph) -> tuple[NamedGraph, NamedGraph]:
    """The graph with keys and values of tokens before, and the one without."""
    switches = [node for node in whole.graph.get_ops() if node.get_type_name() == "If"]
    if len(switches) != 1:
        raise CorruptModelError(
            f"{file} is not used: it takes {SWITCH}, and chooses {len(switches)} times by it, not once"
        )
    return _branch(file, whole, switches[0], 0), _branch(file, whole, switches[0], 1)


def _branch(file: Path, whole: NamedGraph, switch: Any, number: int) -> NamedGraph:
    """One side of a switch as a graph of its own, under the names of the whole."""
    openvino = imported_openvino()
    body = switch.get_function(number)
    parameters, results = body.get_parameters(), body.get_results()
    names = {
        port.get_node().get_name(): name for port, name in zip(whole.graph.inputs, whole.inputs, strict=True)
    }
    taken: list[Any] = []
    inputs: list[str] = []
    for said in switch.get_input_descriptions(number):
        source, parameter = switch.input_value(said.input_index), parameters[said.body_parameter_index]
        if source.get_node().get_type_name() == "Parameter" and names[source.get_node().get_name()] in inputs:
            known = taken[inputs.index(names[source.get_node().get_name()])]
            for target in parameter.output(0).get_target_inputs():
                target.replace_source_output(known.output(0))
        elif source.get_node().get_type_name() == "Parameter":
            taken.append(parameter)
            inputs.append(names[source.get_node().get_name()])
        elif source.get_node().get_type_name() == "Constant":
            for target in parameter.output(0).get_target_inputs():
                target.replace_source_output(source)
        else:
            kind = source.get_node().get_type_name()
            raise CorruptModelError(f"{file} is not used: a {kind} stands before the switch {SWITCH}")
    made = {
        each.output_index: results[each.body_value_index] for each in switch.get_output_descriptions(number)
    }
    kept: list[Any] = []
    outputs: list[str] = []
    for port, name in zip(whole.graph.outputs, whole.outputs, strict=True):
        source = port.get_node().input_value(0)
        if source.get_node().get_type_name() == "If":
            kept.append(made[source.get_index()].input_value(0))
            outputs.append(name)
    graph = openvino.Model([openvino.opset15.result(each) for each in kept], taken, file.name)
    return NamedGraph(graph, tuple(inputs), tuple(outputs))


def _calculated_once(whole: NamedGraph) -> DecoderGraphs:
    """A decoder without what depends on the picture alone, which becomes a graph of its own."""
    op = imported_openvino().opset15
    model = imported_openvino().Model
    edge = _edge(whole)
    parameters = dict(zip(whole.inputs, whole.graph.get_parameters(), strict=True))
    names = tuple(f"{KEPT}{number}" for number in range(len(edge)))
    once = None
    if edge:
        of_picture = tuple(name for name in (HIDDEN, MASK) if name in parameters)
        graph = model(
            [op.result(port) for port, _ in edge], [parameters[name] for name in of_picture], "once"
        )
        once = NamedGraph(graph.clone(), of_picture, names)  # of nodes of its own, before others are moved
    for name, (port, targets) in zip(names, edge, strict=True):
        parameter = op.parameter(port.get_partial_shape(), port.get_element_type())
        for target in targets:
            target.replace_source_output(parameter.output(0))
        parameters[name] = parameter
    outputs = [port.get_node().input_value(0) for port in whole.graph.outputs]
    used = {name: each for name, each in parameters.items() if each.output(0).get_target_inputs()}
    graph = model([op.result(port) for port in outputs], list(used.values()), whole.graph.get_friendly_name())
    return DecoderGraphs(None, NamedGraph(graph.clone(), tuple(used), whole.outputs), once)


def _edge(whole: NamedGraph) -> list[tuple[Any, list[Any]]]:
    """What the rest of a graph takes of its nodes that depend on the picture alone, with who takes it.

    Only arrays of numbers with fractions are carried over: others may hold the number of rows, of which there
    are more where every picture has several beams, and are cheap.
    """
    of_picture: set[str] = set()
    constant: set[str] = set()
    names = {
        port.get_node().get_name(): name for port, name in zip(whole.graph.inputs, whole.inputs, strict=True)
    }
    for node in whole.graph.get_ordered_ops():
        sources = {each.get_node().get_name() for each in node.input_values()}
        if node.get_type_name() == "Parameter":
            if names[node.get_name()] in (HIDDEN, MASK):
                of_picture.add(node.get_name())
        elif sources <= constant:
            constant.add(node.get_name())
        elif sources <= constant | of_picture:
            of_picture.add(node.get_name())
    edge: dict[tuple[str, int], tuple[Any, list[Any]]] = {}
    waiting = [port.get_node() for port in whole.graph.outputs]
    seen = set()
    while waiting:
        node = waiting.pop()
        if node.get_name() in seen:
            continue
        seen.add(node.get_name())
        for target in node.inputs():
            port = target.get_source_output()
            source = port.get_node()
            if source.get_name() in of_picture and _is_carried(port):
                edge.setdefault((source.get_name(), port.get_index()), (port, []))[1].append(target)
            else:
                waiting.append(source)
    return list(edge.values())


def _is_carried(port: Any) -> bool:
    shape = port.get_partial_shape()
    is_array = bool(shape.rank.is_static) and len(shape) >= 3
    return is_array and port.get_element_type().is_real() and port.get_node().get_type_name() != "Parameter"
