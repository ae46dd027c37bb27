"""A receiver of webhooks as docs/webhooks.md describes it. It prints its port, and then a line for each message: the message's id and
its text, or `refused` where its signature is not good. SECRET_FILE holds the secret; it may change."""

import http.server
import json
import os

from standardwebhooks.webhooks import Webhook, WebhookVerificationError


class Receiver(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        with open(os.environ["SECRET_FILE"]) as file:
            webhook = Webhook(file.read().strip())
        try:
            message = webhook.verify(body, dict(self.headers.items()))
            print(self.headers["webhook-id"], json.dumps(message), flush=True)
            status = 204
        except WebhookVerificationError:
            print("refused", flush=True)
            status = 401
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
print(server.server_port, flush=True)
server.serve_forever()
