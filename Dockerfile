# Tallyman as one small image: every verb of the command line, `consume` by default.
#   docker build -t tallyman .
FROM node:22-slim AS build
WORKDIR /build
COPY package.json package-lock.json ./
RUN npm ci
COPY tsconfig.json tsconfig.build.json ./
COPY schemas schemas
COPY consumers consumers
COPY src src
COPY bench bench
RUN npm run build && npm prune --omit=dev

FROM node:22-slim
ENV NODE_ENV=production TALLYMAN_HEALTH_HOST=0.0.0.0 TALLYMAN_HEALTH_PORT=9464
WORKDIR /tallyman
COPY --from=build /build/node_modules node_modules
COPY --from=build /build/dist dist
COPY --from=build /build/schemas schemas
COPY package.json LICENSE ./
RUN ln -s /tallyman/dist/src/cli/tallyman.js /usr/local/bin/tallyman && chmod +x dist/src/cli/tallyman.js
# For the count that `verify --follow` keeps. A volume that is mounted here gets its owner.
RUN mkdir /var/lib/tallyman && chown node:node /var/lib/tallyman
USER node
# Ready or not is for whoever routes traffic; an unhealthy container is one to be replaced.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:' + process.env.TALLYMAN_HEALTH_PORT + '/healthz').then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
# Node as process 1 gets the signals itself: `docker stop` is an orderly stop.
ENTRYPOINT ["node", "dist/src/cli/tallyman.js"]
CMD ["consume"]
