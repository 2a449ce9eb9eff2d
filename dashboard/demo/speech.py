"""Speech: commands spoken by espeak-ng, in two accents, as recordings at 16 kHz."""

from __future__ import annotations

import ctypes
import random
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from openfeature_triton.dashboard.demo.errors import MissingModelsError
from openfeature_triton.dashboard.demo.grammar import command

SAMPLE_RATE_HZ = 16_000
VOICES = {"en-US": "en-us", "en-GB": "en-gb"}
"""BCP 47 language → the voice of espeak-ng that speaks it."""

_SYNCHRONOUS = 2  # espeak_AUDIO_OUTPUT: give the sound to the callback
_RATE, _PITCH, _RANGE = 1, 3, 4  # espeak_PARAMETER
_UTF8 = 1
_OK = 0
_FULL_SCALE = 32767

Samples = NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class Utterance:
    """What was said, and how it sounds: `samples` are INT16, one dimension, at 16 kHz."""

    language: str
    text: str
    samples: Samples


@dataclass(frozen=True, slots=True)
class Delivery:
    """How a speaker says it: words per minute, pitch and its range (0 to 100), and the noise."""

    rate_wpm: int
    pitch: int
    pitch_range: int
    signal_to_noise_db: float


def utterances(count: int, seed: int = 0) -> Iterator[Utterance]:
    """Give `count` utterances, to the sample the same ones for a seed in a fresh process.

    In one process a voice's flutter goes on from where it was. Raises MissingModelsError.
    """
    choice = random.Random(seed)  # noqa: S311 - a repeatable draw, no secret
    noise = np.random.default_rng(seed)
    speaker = _speaker()
    for _ in range(count):
        language = choice.choice(tuple(VOICES))
        text = command(choice)
        yield Utterance(language, text, speaker.say(text, language, _delivery(choice), noise))


class Speaker:
    """espeak-ng, which has one voice at a time in a process."""

    _lock = threading.Lock()

    def __init__(self) -> None:
        self._library, data = _load()
        self._sound = bytearray()
        rate_hz = self._library.espeak_Initialize(_SYNCHRONOUS, 0, data.encode(), 0)
        if rate_hz <= 0:
            raise MissingModelsError(f"espeak-ng did not start with its data in {data}")
        self._rate_hz = int(rate_hz)
        self._callback = _CALLBACK(self._take)
        self._library.espeak_SetSynthCallback(self._callback)

    def say(
        self, text: str, language: str, delivery: Delivery, noise: np.random.Generator
    ) -> Samples:
        """Speak a text; gives INT16 samples at 16 kHz."""
        from scipy.signal import resample_poly  # noqa: PLC0415 - 300 ms, for this alone

        sound = np.frombuffer(self._speak(text, VOICES[language], delivery), np.int16)
        wave = resample_poly(sound.astype(np.float64), SAMPLE_RATE_HZ, self._rate_hz)
        return _with_noise(wave, delivery.signal_to_noise_db, noise)

    def _speak(self, text: str, voice: str, delivery: Delivery) -> bytes:
        spoken = text.encode()
        with self._lock:
            self._sound.clear()
            self._library.espeak_SetVoiceByName(voice.encode())
            self._library.espeak_SetParameter(_RATE, delivery.rate_wpm, 0)
            self._library.espeak_SetParameter(_PITCH, delivery.pitch, 0)
            self._library.espeak_SetParameter(_RANGE, delivery.pitch_range, 0)
            self._library.espeak_Synth(spoken, len(spoken) + 1, 0, 1, 0, _UTF8, None, None)
            self._library.espeak_Synchronize()
            return bytes(self._sound)

    def _take(self, wave: Any, count: int, _events: object) -> int:
        if wave and count > 0:
            self._sound += ctypes.string_at(wave, count * 2)
        return _OK


@cache
def _speaker() -> Speaker:
    """Give this process's speaker: started a second time, espeak-ng can hardly be understood."""
    return Speaker()


_CALLBACK = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
)


def _load() -> tuple[Any, str]:
    """Give espeak-ng's library with its functions typed, and the path of its voices."""
    try:
        import espeakng_loader  # noqa: PLC0415 - only the demo needs it

        library = ctypes.CDLL(espeakng_loader.get_library_path())
    except (ImportError, OSError) as error:
        raise MissingModelsError(f"espeak-ng can't be loaded ({error})") from None
    library.espeak_Initialize.argtypes = (
        *(ctypes.c_int, ctypes.c_int),
        *(ctypes.c_char_p, ctypes.c_int),
    )
    library.espeak_Synth.argtypes = (
        *(ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint, ctypes.c_int),
        *(ctypes.c_uint, ctypes.c_uint, ctypes.c_void_p, ctypes.c_void_p),
    )
    return library, str(Path(espeakng_loader.get_data_path()))


def _delivery(choice: random.Random) -> Delivery:
    return Delivery(
        rate_wpm=choice.randint(130, 210),
        pitch=choice.randint(30, 70),
        pitch_range=choice.randint(30, 70),
        signal_to_noise_db=choice.uniform(5.0, 20.0),
    )


def _with_noise(
    wave: NDArray[np.float64], signal_to_noise_db: float, noise: np.random.Generator
) -> Samples:
    """Add white noise under a sound, and a little of it before and after."""
    padded = np.pad(wave, SAMPLE_RATE_HZ // 10)
    level = float(np.sqrt(np.mean(wave**2))) * 10 ** (-signal_to_noise_db / 20)
    noisy = padded + noise.normal(0.0, level, padded.size)
    return np.clip(noisy, -_FULL_SCALE, _FULL_SCALE).astype(np.int16)
