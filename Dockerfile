# The base has Python 3.11 to 3.14 with pip. It is the same in both stages, so that what one installs runs in the other.
ARG BASE_IMAGE=docker.io/airbyte/python-connector-base:4.1.1@sha256:a268b44c733ae699a60f5fbc06a324945dba98945c6e2ab7f8609f2f895b0d28

FROM ${BASE_IMAGE} AS builder
USER 0:0
WORKDIR /airbyte

# Tests and headers inside packages are missed by nobody. Licence texts stay, wherever a package keeps them.
COPY requirements.txt ./
RUN python3 -m venv --without-pip dependencies \
    && python3 -m pip --python dependencies/bin/python install --no-cache-dir --no-compile --only-binary :all: \
        --no-deps --require-hashes --requirement requirements.txt \
    && find dependencies -name '*.dist-info' -prune \
        -o -type d -name tests -prune -exec rm -r {} + \
        -o -type f \( -name '*.h' -o -name '*.pxd' -o -name '*.pyx' \) -exec rm {} +

COPY pyproject.toml README.md LICENSE ./
COPY source_pivotal_tracker ./source_pivotal_tracker
COPY tracker_server ./tracker_server
RUN PYTHONDONTWRITEBYTECODE=1 python3 -m pip --python dependencies/bin/python install --no-cache-dir --no-compile \
        --no-deps --no-build-isolation --target integration_code ./tracker_server .
COPY main.py ./integration_code/

# Nobody may write to the image later, so what is imported is compiled now, the standard library included. It saves a
# second at each start. What is never imported is not compiled, which would be as much again as the packages.
ENV PYTHONPATH=/airbyte/integration_code
RUN export PYTHONPYCACHEPREFIX=/airbyte/compiled \
    && dependencies/bin/python integration_code/main.py spec >/dev/null \
    && dependencies/bin/python integration_code/main.py sample --help >/dev/null \
    && chmod -R a+rX integration_code compiled

FROM ${BASE_IMAGE}
LABEL io.airbyte.name=airbyte/source-pivotal-tracker \
    io.airbyte.version=1.0.0

COPY --from=builder /airbyte/dependencies /airbyte/dependencies
COPY --from=builder /airbyte/compiled /airbyte/compiled
COPY --from=builder /airbyte/integration_code /airbyte/integration_code

ENV PATH=/airbyte/dependencies/bin:$PATH \
    PYTHONPATH=/airbyte/integration_code \
    PYTHONPYCACHEPREFIX=/airbyte/compiled \
    PYTHONDONTWRITEBYTECODE=1 \
    TRACKER_SERVER_HOST=0.0.0.0 \
    AIRBYTE_ENTRYPOINT="python /airbyte/integration_code/main.py"

WORKDIR /airbyte/integration_code
# A number, for Kubernetes cannot tell from a name that it is not root's.
USER 1000:1000
ENTRYPOINT ["python", "/airbyte/integration_code/main.py"]
