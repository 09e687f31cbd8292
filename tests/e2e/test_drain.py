"""`--drain`: between SIGTERM and the end there is time for the cluster to send calls elsewhere."""

import threading
import time

from tests.e2e.conftest import StartServe


def test_after_sigterm_it_is_not_ready_and_serves_on_until_it_is_drained(
    granted: None, start_serve: StartServe
) -> None:
    assert granted is None
    serve = start_serve(None, "--drain", "600")
    serve.wait_ready()
    codes: list[int] = []
    ending = threading.Thread(target=lambda: codes.append(serve.terminate()))
    ending.start()
    try:
        while (serve.get("/readyz") or (0, ""))[0] == 200:
            time.sleep(0.02)
        assert serve.get("/readyz") == (503, "not ready")
        serve.keep_open().close()  # a new connection over TLS that is answered
        assert ending.is_alive()
    finally:
        assert serve.terminate() == 0  # who is asked twice does not wait
        ending.join()
    assert codes == [0]


def test_the_drain_ends_by_itself(granted: None, start_serve: StartServe) -> None:
    assert granted is None
    serve = start_serve(None, "--drain", "2")
    serve.wait_ready()
    begun = time.monotonic()
    assert serve.terminate() == 0
    assert time.monotonic() - begun >= 2
