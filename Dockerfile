# rgf_keras on a CPU, with TensorFlow:
#
#   docker build -t rgf .
#   docker run --rm -v "$PWD:/work" rgf study run quickstart      # records: ./mlruns
#   docker run --rm -v "$PWD:/work" -p 5000:5000 rgf ui --host 0.0.0.0
#
# Another backend: --build-arg EXTRAS=jax or torch, and -e KERAS_BACKEND=jax or torch in the run.
#
# On NVIDIA GPUs the host needs the driver and NVIDIA's container toolkit, and the run `--gpus all`.
# CUDA itself comes with Python packages, so that this image serves as it is:
#   PyTorch     --build-arg EXTRAS=torch (its Linux wheels bring CUDA)
#   JAX         --build-arg EXTRAS=jax   --build-arg CUDA="jax[cuda13]"
#   TensorFlow                           --build-arg CUDA="tensorflow[and-cuda]"
# `rgf info` shows the devices that were found.

FROM python:3.11-slim AS build
WORKDIR /source
COPY . .
RUN pip wheel --no-cache-dir --no-deps -w /wheels .

FROM python:3.11-slim
ARG EXTRAS=""
ARG CUDA=""
COPY --from=build /wheels /wheels
COPY constraints.txt /wheels/
RUN wheel="$(ls /wheels/*.whl)" \
    && pip install --no-cache-dir -c /wheels/constraints.txt "$wheel${EXTRAS:+[$EXTRAS]}" $CUDA \
    && useradd --create-home rgf && mkdir /work && chown rgf /work
USER rgf
WORKDIR /work
ENV RGF_CACHE_DIR=/work/.rgf-cache
ENTRYPOINT ["rgf"]
