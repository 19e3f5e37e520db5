# The browser's Socket.IO client.
FROM node:22-slim AS browser
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev

# Registro and what it needs, in a virtual environment.
FROM python:3.11-slim AS build
WORKDIR /build
RUN python -m venv /opt/registro
ENV PATH=/opt/registro/bin:$PATH
COPY requirements/runtime.txt requirements/
RUN pip install --no-cache-dir --require-hashes -r requirements/runtime.txt
COPY pyproject.toml README.md LICENSE ./
COPY registro registro
COPY --from=browser /build/node_modules/socket.io-client/dist/socket.io.min.js registro/web/static/vendor/
RUN pip install --no-cache-dir --no-index --no-build-isolation --no-deps .

# Run it with JWT_SECRET set, and /data on a volume if the database is SQLite.
FROM python:3.11-slim
COPY --from=build /opt/registro /opt/registro
RUN useradd --system --uid 10001 --create-home --home-dir /data registro
ENV PATH=/opt/registro/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    HOST=0.0.0.0 \
    PORT=3000 \
    DATABASE_URL=sqlite:////data/registro.db \
    REGISTRO_ENV=production
USER registro
WORKDIR /data
VOLUME /data
EXPOSE 3000
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
  CMD ["python", "-c", "import os, urllib.request as http; http.urlopen(f\"http://127.0.0.1:{os.environ['PORT']}/salud/viva\", timeout=2)"]
CMD ["registro", "serve"]
