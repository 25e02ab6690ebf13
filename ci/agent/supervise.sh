# Runs one command outside the agent, so that it outlives the agent's death and upgrade.
#
#   sh supervise.sh FOLDER WORKSPACE PROGRAM [ARGUMENT ...]
#
# Writes its process id to FOLDER/pid before it begins, and the exit code to FOLDER/exit after
# the end. Its outputs, and so the command's, are the log.
#
# The place of the exit code is taken beforehand and overwritten: the disk may be full by then. It is
# kept open, so that the code never gets into another folder that was put in FOLDER's place, such
# as an older copy of it: the log there is not this command's.

# Signals that reach the whole group are for the command: we stay to write its exit code. They
# are caught and not ignored because a child inherits what is ignored.
trap : TERM INT HUP QUIT USR1 USR2 ALRM PIPE
echo "     " >"$1/exit" && exec 5<>"$1/exit" && echo $$ >"$1/pid" || exit
cd -- "$2" || exit
shift 2
# The shell's own words, such as "Terminated", are not the command's: they don't go to the log.
exec 3>&1 4>&2 >/dev/null 2>&1
# A shell that may start no process ends: dash at once, bash after 15 s of trying. That is no end of
# the command, which has not begun.
begun=
trap '[ "$begun" ] || echo never >&5' EXIT
(exec "$@" >&3 2>&4 3>&- 4>&- 5>&-)
code=$?
begun=yes
echo "$code" >&5
exit "$code"
