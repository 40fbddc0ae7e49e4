from outofsync_client.protocol import STATE_FILE as STATE_FILE
from outofsync_client.protocol.state import RunningServer as RunningServer
from outofsync_client.protocol.state import read_state as read_state
