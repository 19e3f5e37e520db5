"""python-socketio and python-engineio, adapted: everything that replaces a part of theirs is here.

Written against python-socketio 5.18, python-engineio 4.15 and Sanic 25.12. What differs:

- `codec`: JSON by orjson, with the standard library where orjson refuses (lone surrogates).
- `websocket`: frames are read and written without tasks, and gathered per turn of the loop. Theirs,
  with Sanic's, takes about six tasks and as many locks for a frame that comes in.
- `engine`: long polls may bring as many packets as fit into 1 MiB; theirs drops all after the
  sixteenth. What cannot be decoded, or is too large in one piece or in several, closes the
  connection; theirs answers 200 and goes on, or gathers it all. An upgrade that fails leaves the
  long poll working. A client who does not read is cut off instead of filling the memory. Newcomers
  are let in at a bounded rate, and none while the server stops.
- `server`: a client's own `connect` and `disconnect` packets never reach the handlers of those
  names. Events of one client are handled in the order sent; an answer that takes time (a commit)
  is awaited apart, so that neither pongs nor later events wait for it. A transport whose client
  was refused, or does not join the namespace in time, is closed. An event for a room is encoded
  once; theirs starts a task for every recipient.
- `rooms`: leaving costs a socket its own rooms, not a look through all of them.
- `cluster`: the Redis manager, which neither delays a handler nor stays away for a minute when
  Redis was away for a moment.
"""

from registro.web.transport.server import Answer, Later, SocketServer
from registro.web.transport.websocket import MAX_FRAME

__all__ = ["MAX_FRAME", "Answer", "Later", "SocketServer"]
