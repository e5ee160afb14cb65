# Needs BuildKit, which is Docker's own builder since version 23. Images are pinned by version, down to the patch or the
# day; dependabot proposes newer ones.

# --- build: the dependencies' compiled code stays in cache mounts, so that a change of src/ rebuilds only rollcall ---
FROM rust:1.95.0-bookworm AS build
WORKDIR /build
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/build/target \
    cargo build --release --locked --bin rollcall \
    && install -D target/release/rollcall /out/rollcall

# --- run ---
FROM debian:bookworm-20260803-slim
# The certificates are for TLS to a PostgreSQL elsewhere, and for `rollcall ingest` to an https address.
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --user-group --no-create-home --home-dir /data rollcall \
    && install -d --owner rollcall --group rollcall --mode 0700 /data
COPY --from=build /out/rollcall /usr/local/bin/rollcall

USER rollcall
WORKDIR /data
# The embedded store. With DATABASE_URL set, PostgreSQL is the store.
VOLUME /data
ENV ROLLCALL_LISTEN=0.0.0.0:8080 \
    ROLLCALL_DATA_DIR=/data
EXPOSE 8080

# Asks /readyz of the address in ROLLCALL_LISTEN.
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --retries=3 CMD ["rollcall", "healthcheck"]

ENTRYPOINT ["rollcall"]
CMD ["serve"]
