# One image for both kinds of node; what it runs is its arguments, those of ./comptoir.
FROM python:3.13-slim AS packages
COPY requirements.lock /
RUN python -m venv /packages \
    && /packages/bin/pip install --no-cache-dir --require-hashes --requirement /requirements.lock

FROM python:3.13-slim
# The folders belong to the user before volumes are laid over them, which then take the owner over.
RUN useradd --system --uid 10001 --home-dir /comptoir --shell /usr/sbin/nologin comptoir \
    && mkdir /comptoir /data /enrolment \
    && chown comptoir:comptoir /data /enrolment
COPY --from=packages /packages /packages
COPY . /comptoir/
ENV PATH=/packages/bin:$PATH \
    PYTHONPATH=/comptoir \
    PYTHONUNBUFFERED=1
RUN python -m compileall -q /comptoir
USER comptoir
WORKDIR /comptoir
ENTRYPOINT ["python", "-m", "ops"]
CMD ["--help"]
