#!/bin/sh
# Creates Registro's two database users, when MySQL's container makes its data folder. `registro` is
# the server's: `registro migrate --grant` gives it what a server needs and no more.
# `registro_migrations` changes tables, and can pass its privileges on. Passwords are hexadecimal.
set -eu

mysql --user=root --password="$(cat "$MYSQL_ROOT_PASSWORD_FILE")" <<SQL
CREATE USER 'registro'@'%' IDENTIFIED BY '$(cat "$REGISTRO_PASSWORD_FILE")';
CREATE USER 'registro_migrations'@'%' IDENTIFIED BY '$(cat "$REGISTRO_MIGRATIONS_PASSWORD_FILE")';
GRANT CREATE, ALTER, INDEX, TRIGGER, DROP, SELECT, INSERT, UPDATE, DELETE
  ON registro.* TO 'registro_migrations'@'%' WITH GRANT OPTION;
SQL
