"""What the commands in scripts/ are made of: throw-away servers, worker processes, building, testing.

Commands and tests import it as `lib.<module>` with the folder scripts/ on the module path, for example
`from lib.servers import Servers`.
"""
