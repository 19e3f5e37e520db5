# The browser's Socket.IO client.
FROM node:22.20.0-trixie-slim AS browser
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev

# Registro's wheel, and an environment of what is locked and the wheel, without pip in it.
FROM python:3.11.14-slim-trixie AS build
WORKDIR /build
COPY requirements/runtime.txt requirements/
RUN python -m venv --without-pip /opt/registro
RUN pip --python /opt/registro/bin/python install --no-cache-dir --require-hashes -r requirements/runtime.txt
COPY pyproject.toml setup.py MANIFEST.in README.md LICENSE ./
COPY fixtures/desk.jsonl fixtures/
COPY registro registro
COPY --from=browser /build/node_modules/socket.io-client/dist/socket.io.min.js registro/web/static/vendor/
ENV PYTHONPATH=/opt/registro/lib/python3.11/site-packages
RUN pip wheel --no-cache-dir --no-index --no-build-isolation --no-deps --wheel-dir dist .
RUN pip --python /opt/registro/bin/python install --no-cache-dir --no-index --no-deps dist/*.whl

# Run it with JWT_SECRET or JWT_SECRET_FILE set, and /data on a volume if the database is SQLite. It
# writes nothing else: `docker run --read-only --tmpfs /tmp` is fine.
FROM python:3.11.14-slim-trixie
COPY --from=build /opt/registro /opt/registro
RUN useradd --system --uid 10001 --create-home --home-dir /data registro
ENV PATH=/opt/registro/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOST=0.0.0.0 \
    PORT=3000 \
    DATABASE_URL=sqlite:////data/registro.db \
    REGISTRO_ENV=production
USER 10001
WORKDIR /data
VOLUME /data
EXPOSE 3000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
  CMD ["python", "-c", "import os, urllib.request as http; http.urlopen(f\"http://127.0.0.1:{os.environ['PORT']}/salud/viva\", timeout=2)"]
CMD ["registro", "serve"]
