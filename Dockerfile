# Ambience in a container: small, without root, with all that it writes below /data.
#
#   docker build -t ambience .
#   docker run -p 127.0.0.1:44444:44444 -e AMBIENCE_SERVE_OPEN=true -v ambience:/data -v ~/Pictures:/pictures:ro ambience
#   docker exec CONTAINER ambience add /pictures
#
# AMBIENCE_SERVE_OPEN is for a port that this machine alone reaches; without it, requests need a key:
#   docker exec CONTAINER ambience keys add NAME --scope read

FROM python:3.12-slim AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/ambience
WORKDIR /source
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY src src
RUN /opt/ambience/bin/pip install . && find /opt/ambience -name __pycache__ -prune -exec rm -rf {} +

FROM python:3.12-slim
RUN useradd --uid 10001 --home-dir /data --create-home ambience
COPY --from=build /opt/ambience /opt/ambience
ENV PATH=/opt/ambience/bin:$PATH \
    HOME=/data \
    NUMBA_CACHE_DIR=/data/.cache/numba \
    AMBIENCE_LIBRARY=/data/library \
    AMBIENCE_SERVE_HOST=0.0.0.0 \
    AMBIENCE_SERVE_PORT=44444
USER 10001
VOLUME /data
EXPOSE 44444
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=90s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ['AMBIENCE_SERVE_PORT'] + '/readyz', timeout=4)"]
ENTRYPOINT ["ambience"]
CMD ["serve"]
