# Build: everything, then only what runs.
# An exact version, so that two builds of one commit have the same base. A digest is stricter still: take the one of your registry
# (docker buildx imagetools inspect node:24.11.1-bookworm-slim) with --build-arg BASE=node@sha256:...
ARG BASE=node:24.11.1-bookworm-slim
FROM $BASE AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
COPY gateways ./gateways
RUN npm run build && npm prune --omit=dev --ignore-scripts

FROM $BASE
ENV NODE_ENV=production \
    GATEPOST_DATA_DIR=/data \
    GATEPOST_SECRETS_DIR=/run/secrets \
    GATEPOST_POLICY_OPEN_SECRETS_DIR=true \
    GATEPOST_HTTP_HOST=0.0.0.0
# For faxes: PDF to pages and back, and letters to print with. A browser lays HTML out exactly but is large, so only on
# request: --build-arg BROWSER=chromium
ARG BROWSER=
RUN apt-get update \
  && apt-get install -y --no-install-recommends ghostscript poppler-utils fonts-dejavu-core $BROWSER \
  && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
# Samples only: an administrator's own configuration and secrets are mounted, never built in.
COPY config/README.md config/gatepost.yaml config/gateways.yaml config/welcome.eml ./config/
RUN mkdir -m 700 /data && chown node:node /data && ln -s /app/dist/src/cli.js /usr/local/bin/gatepost
# Runs with a read-only root file system, too: docker run --read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges
USER node
VOLUME /data
EXPOSE 18380 18381
# Live, not ready: a server that is away for an hour is no reason to restart the connector.
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:' + (process.env.GATEPOST_HTTP_ADMIN_PORT || 18381) + '/live').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
CMD ["gatepost", "start"]
