#!/bin/sh
# Run by the image of PostgreSQL in a new volume: makes the role that the service uses. It owns nothing; qr-login gives it its rights
# after each migration, as the owner (DATABASE_OWNER_URL). For a volume that is older:
#
#   docker compose -f deploy/compose.yaml exec postgres sh /docker-entrypoint-initdb.d/service-role.sh
set -eu
psql -v ON_ERROR_STOP=1 -v password="${POSTGRES_PASSWORD:-$(cat "$POSTGRES_PASSWORD_FILE")}" -U "$POSTGRES_USER" -d "$POSTGRES_DB" <<'SQL'
create role qr_login_service login password :'password';
SQL
