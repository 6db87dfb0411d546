"""What routes ask FastAPI for."""

from functools import lru_cache
import logging
from pathlib import Path
from typing import IO, Annotated

import av
import av.error
from fastapi import Depends, Form, HTTPException, UploadFile, status
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
import numpy as np
from numpy.typing import NDArray

from speaches.audio import Audio
from speaches.config import Config
from speaches.executors.shared.registry import ExecutorRegistry

logger = logging.getLogger(__name__)

# Rate every upload is converted to, in Hz.
SAMPLE_RATE = 16000


@lru_cache
def get_config() -> Config:
    return Config()


async def get_config_async() -> Config:
    return get_config()


ConfigDependency = Annotated[Config, Depends(get_config_async)]


@lru_cache
def get_executor_registry() -> ExecutorRegistry:
    return ExecutorRegistry(get_config())


async def get_executor_registry_async() -> ExecutorRegistry:
    return get_executor_registry()


ExecutorRegistryDependency = Annotated[ExecutorRegistry, Depends(get_executor_registry_async)]

security = HTTPBearer(auto_error=False)


async def verify_api_key(
    config: ConfigDependency, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(security)] = None
) -> None:
    assert config.api_key is not None
    if credentials is None or credentials.credentials != config.api_key.get_secret_value():
        raise HTTPException(
            status.HTTP_403_FORBIDDEN,
            "This server needs its API key as a bearer token.",
            headers={"WWW-Authenticate": "Bearer"},
        )


ApiKeyDependency = Depends(verify_api_key)


def decode_audio(file: IO[bytes]) -> NDArray[np.float32]:
    """Decode the first audio stream of a file to one channel at `SAMPLE_RATE`; av.error.FFmpegError if there is none."""
    resampler = av.AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE)
    pieces = [np.zeros(0, np.float32)]
    with av.open(file, mode="r", metadata_errors="ignore") as container:
        if not container.streams.audio:
            raise av.error.InvalidDataError(1, "no audio stream")
        for frame in container.decode(audio=0):
            frame.pts = None  # an encoder's delay makes the first time stamps negative, which a resampler refuses
            pieces += [part.to_ndarray()[0] for part in resampler.resample(frame)]
        pieces += [part.to_ndarray()[0] for part in resampler.resample(None)]
    return np.concatenate(pieces)


def audio_file_dependency(file: Annotated[UploadFile, Form()]) -> Audio:
    name = Path(file.filename).stem if file.filename else None
    if file.content_type in ("audio/pcm", "audio/raw"):
        raw = file.file.read()
        samples = np.frombuffer(raw[: len(raw) // 2 * 2], np.int16).astype(np.float32) / np.float32(32768)
        return Audio(samples, SAMPLE_RATE, name)
    try:
        return Audio(decode_audio(file.file), SAMPLE_RATE, name)
    except av.error.FFmpegError as error:
        logger.info(f"`{file.filename}` of type {file.content_type} cannot be decoded: {error}")
        raise HTTPException(
            status.HTTP_415_UNSUPPORTED_MEDIA_TYPE, "Failed to decode audio. The file type is not supported."
        ) from error


AudioFileDependency = Annotated[Audio, Depends(audio_file_dependency)]
