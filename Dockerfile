# One image for every role: ROLE=api, worker or all. No build step, because Node runs the TypeScript itself.
#
# The image holds Node, the libraries it is linked against, the packages of production and the sources: no shell, no package manager, nothing else to run.
# For a deployment, name the digest that you have tested, so that the same file builds the same image for ever and a tag moved by somebody else changes
# nothing:  docker buildx imagetools inspect node:26-slim, then  docker build --build-arg NODE_IMAGE=node:26-slim@sha256:… .
# A scanner that reads the packages of Debian sees none here; let it read the stage they come from:  docker build --target system .
ARG NODE_IMAGE=node:26-slim

FROM ${NODE_IMAGE} AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# No dev dependencies; no optional ones, because the base brings Node; no install scripts.
RUN npm ci --omit=dev --omit=optional --ignore-scripts

FROM ${NODE_IMAGE} AS system
RUN set -eu; root="${ROOT:-/system}"; node=/usr/local/bin/node; \
    for file in "$node" $(ldd "$node" | grep -o '/[^ ]*'); do mkdir -p "$root${file%/*}"; cp -L "$file" "$root$file"; done; \
    mkdir -p "$root/etc" "$root/tmp"; \
    echo 'hosts: files dns' > "$root/etc/nsswitch.conf"; \
    echo 'service:x:65532:65532::/:/' > "$root/etc/passwd"

FROM scratch
ENV PATH=/usr/local/bin NODE_ENV=production
WORKDIR /app
COPY --from=system /system/ /
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
# No __proto__ to pollute, and no debugger for whoever may send a signal.
CMD ["node", "--disable-proto=delete", "--disable-sigusr1", "src/main.ts"]
