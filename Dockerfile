# Tallyman as one small image: every verb of the command line, `consume` by default.
#   docker build --tag tallyman --build-arg COMMIT=$(git rev-parse --short HEAD) .
#   docker buildx build --platform linux/amd64,linux/arm64 ...
# Builds on the machine at hand for whichever it is told to: the last stage only copies, so no other
# processor has to be emulated.
FROM --platform=$BUILDPLATFORM node:22-slim AS build
WORKDIR /build
COPY package.json package-lock.json ./
RUN npm ci
COPY tsconfig.json tsconfig.build.json ./
COPY schemas schemas
COPY consumers consumers
COPY src src
RUN npm run build
# Two packages are native, and their names say for which processor. npm's names differ from Docker's.
ARG TARGETARCH
RUN npm ci --omit=dev --ignore-scripts --os=linux --libc=glibc --cpu=$(echo "$TARGETARCH" | sed s/amd64/x64/)
# Nothing of this is read at run time, and it is a fifth of the image. Licences stay.
RUN find dist node_modules -type f ! -iname '*licen[cs]e*' \( -name '*.map' -o -name '*.d.ts' -o -name '*.d.[cm]ts' \
      -o -name '*.ts' -o -iname '*.md' -o -name '*.scss' -o -name .tsbuildinfo -o -name .package-lock.json \) -delete \
    && rm -rf node_modules/*/test node_modules/*/docs
ARG COMMIT=
RUN echo "$COMMIT" > dist/commit && chmod +x dist/src/cli/tallyman.js \
    && mkdir -p state bin && ln -s /tallyman/dist/src/cli/tallyman.js bin/tallyman

FROM node:22-slim
ARG COMMIT=
LABEL org.opencontainers.image.title="Tallyman" \
      org.opencontainers.image.description="Usage events on Kafka to exact monthly totals in Redis and invoices at month end." \
      org.opencontainers.image.version="0.2.0" \
      org.opencontainers.image.revision="$COMMIT" \
      org.opencontainers.image.licenses="Apache-2.0"
ENV NODE_ENV=production TALLYMAN_HEALTH_HOST=0.0.0.0 TALLYMAN_HEALTH_PORT=9464
WORKDIR /tallyman
COPY --from=build /build/node_modules node_modules
COPY --from=build /build/dist dist
COPY --from=build /build/schemas schemas
COPY package.json LICENSE ./
COPY --from=build /build/bin/ /usr/local/bin/
# For what must outlive a container: the count of `verify --follow`, the spool of the bridge, the
# recount of `close --verify`. A volume that is mounted here gets its owner. Nothing else is written.
COPY --from=build --chown=node:node /build/state /var/lib/tallyman
USER node
# Ready or not is for whoever routes traffic; an unhealthy container is one to be replaced.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
  CMD ["node", "dist/src/cli/tallyman.js", "healthcheck"]
# Node as process 1 gets the signals itself: `docker stop` is an orderly stop.
ENTRYPOINT ["node", "dist/src/cli/tallyman.js"]
CMD ["consume"]
