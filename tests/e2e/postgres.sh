# postgres.sh: real PostgreSQL 15 servers for tests, on Unix sockets below $T. Sourced after lib.sh.
PGBIN=$(ls -d /usr/lib/postgresql/*/bin 2> /dev/null | sort -V | tail -n 1)
[ -n "$PGBIN" ] && id postgres > /dev/null 2>&1 || skip "needs PostgreSQL (package postgresql-15)"
as_postgres() { setpriv --reuid postgres --regid postgres --init-groups env -u HOLDFAST_PASSPHRASE_FILE HOME="$T" "$@"; }

# pg_new DIR: an initialised, not yet started cluster.
pg_new() {
  install -d -o postgres -g postgres -m 700 "$1"
  as_postgres "$PGBIN/initdb" -D "$1" -A trust -U postgres --no-sync > "$1.initdb.log"
  printf "listen_addresses = ''\nunix_socket_directories = '%s'\nfsync = off\nautovacuum = off\nlogging_collector = off\n" "$1" >> "$1/postgresql.conf"
}
pg_start() { as_postgres "$PGBIN/pg_ctl" -D "$1" -l "$1/server.log" -w -t 60 start > /dev/null || { tail -n 30 "$1/server.log" >&2; return 1; }; AT_END+=("as_postgres $PGBIN/pg_ctl -D $1 -m immediate stop > /dev/null 2>&1"); }
pg_stop() { as_postgres "$PGBIN/pg_ctl" -D "$1" -m "${2:-fast}" -w stop > /dev/null; }
pg_sql() { local dir=$1; shift; psql -h "$dir" -U postgres -X -q -v ON_ERROR_STOP=1 "$@"; }

# pg_fill DIR DATABASE SCALE: pgbench tables and a text-rich one.
pg_fill() {
  createdb -h "$1" -U postgres "$2"
  "$PGBIN/pgbench" -h "$1" -U postgres -i -q -s "$3" "$2" > /dev/null 2>&1
  pg_sql "$1" "$2" -c "
    create table articles (id serial primary key, title text, body text, tags text[], doc jsonb, written timestamptz);
    insert into articles (title, body, tags, doc, written)
      select 'Title ' || i, repeat(md5(i::text) || ' lorem ipsum ' || (i * 7919 % 1000), 12), array['a' || i % 17, 'b' || i % 5],
             jsonb_build_object('n', i, 'list', array[i, i + 1]), '2020-01-01'::timestamptz + i * interval '1 minute'
      from generate_series(1, 20000) i;
    create index on articles (title);"
}
# pg_change DIR DATABASE: about 1 % of the rows, everywhere.
pg_change() {
  pg_sql "$1" "$2" -c "
    update pgbench_accounts set abalance = abalance + 1, filler = md5(aid::text) where aid % 100 = 7;
    update articles set body = body || ' changed' where id % 100 = 3;
    insert into articles (title, body) select 'New ' || i, md5(i::text) from generate_series(1, 200) i;
    delete from articles where id % 500 = 9;"
}
