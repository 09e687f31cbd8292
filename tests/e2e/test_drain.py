"""`--drain`: between SIGTERM and the end there is time for the cluster to send calls elsewhere."""

import threading
import time

from tests.e2e.conftest import StartServe


def test_after_sigterm_it_is_not_ready_and_serves_on_until_it_is_drained(
    granted: None, start_serve: StartServe
) -> None:
    assert granted is None
    serve = start_serve(None, "--drain", "3")
    serve.wait_ready()
    codes: list[int] = []
    ending = threading.Thread(target=lambda: codes.append(serve.terminate()))
    begun = time.monotonic()
    ending.start()
    try:
        while (serve.get("/readyz") or (0, ""))[0] == 200:
            time.sleep(0.02)
        assert serve.get("/readyz") == (503, "not ready")
        serve.keep_open().close()  # a new connection over TLS that is answered
    finally:
        ending.join()
    assert codes == [0]
    assert time.monotonic() - begun >= 3
