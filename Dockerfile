# Both images need Node.js 24 or later, the first one a shell and npm as well; the second one may have nothing else.
ARG BUILD_IMAGE=node:24-bookworm-slim
ARG RUNTIME_IMAGE=node:24-bookworm-slim

FROM ${BUILD_IMAGE} AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --no-audit --no-fund
COPY . .
RUN npm run build && npm prune --omit=dev --no-audit --no-fund

FROM ${RUNTIME_IMAGE}
ARG RUNTIME_IMAGE
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="checkpoint-warden" \
      org.opencontainers.image.description="Quotas, retention and admission for Kubernetes container checkpoints" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="${RUNTIME_IMAGE}"
WORKDIR /app
# Also where images without a shell have Node.js. One place for all threads to take memory from: a collector of 100,000
# archives has 15 MB less resident.
ENV NODE_ENV=production PATH=/usr/local/bin:/nodejs/bin:/usr/bin:/bin MALLOC_ARENA_MAX=1
COPY --from=build /app/package.json /app/LICENSE ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/cli/checkpoint-warden.js /app/cli/launcher.js ./cli/
COPY --from=build /app/dist ./dist
COPY --from=build /app/cli/demo/archives ./cli/demo/archives
# The webhook needs no more. The collector deletes root's files: its DaemonSet asks for user 0.
USER 65532:65532
# For podman and Docker; Kubernetes has probes in the manifests. The collector's --metrics, or another's address.
ENV HEALTH_URL=http://127.0.0.1:9091/healthz
HEALTHCHECK --interval=30s --timeout=5s --start-period=2m \
  CMD ["node", "-e", "fetch(process.env.HEALTH_URL).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "/app/cli/checkpoint-warden.js"]
CMD ["--help"]
