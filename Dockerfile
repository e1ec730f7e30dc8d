# One image for every role: ROLE=api, worker or all. No build step, because Node runs the TypeScript itself.
# For a deployment, pin both stages to the digest you have tested: FROM node:26-slim@sha256:…  (docker buildx imagetools inspect node:26-slim).

FROM node:26-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# No dev dependencies; no optional ones, because the base brings Node; no install scripts.
RUN npm ci --omit=dev --omit=optional --ignore-scripts

FROM node:26-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --from=dependencies /app/node_modules ./node_modules
COPY package.json LICENSE ./
COPY bin ./bin
COPY src ./src

# A number, so that Kubernetes can see that it is not root. It owns nothing: the file system may be read-only.
USER 65532:65532
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT || 8080}/livez`).then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "src/main.ts"]
