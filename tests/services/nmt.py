"""NMT: translation in asyncio, with a span of OpenTelemetry, as its developer writes it."""

from __future__ import annotations

from opentelemetry import trace
from sacrebleu import sentence_bleu

from openfeature_triton.provider import AsyncCall, Experiments
from tests.services.tensors import text_input, text_output


async def translate(
    experiments: Experiments, text: str, language: str, request_id: str, reference: str = ""
) -> str:
    """Translate from English; a reference, where there is one, says how well."""
    with trace.get_tracer(__name__).start_as_current_span("translate"):
        async with experiments.infer_async(
            "nmt", language=language, targeting_key=request_id, service_id="nmt-indictrans2"
        ) as call:
            translated = await _translate(call, text, language)
            call.record(input_characters=len(text), output_characters=len(translated))
            if reference:
                call.record(bleu_score=sentence_bleu(translated, [reference]).score)
    return translated


async def _translate(call: AsyncCall, text: str, language: str) -> str:
    inputs = [
        text_input(call.triton, "text", text),
        text_input(call.triton, "language", language),
    ]
    answer = await call.client.infer(call.model_name, inputs, model_version=call.model_version)
    return text_output(answer, "answer")
