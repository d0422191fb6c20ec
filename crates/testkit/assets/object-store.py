"""moto's S3 on a loopback port: every request must be signed by the key that it prints.

Ends with its standard input.
"""

import json
import os
import sys

# The calls that make the user, its rights, its key and the bucket are nobody's yet.
os.environ["INITIAL_NO_AUTH_ACTION_COUNT"] = "3"

import boto3  # noqa: E402
from moto.server import ThreadedMotoServer  # noqa: E402

BUCKET = "images"
USER = "registry"
POLICY = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}],
}

server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
server.start()
_, port = server.get_host_and_port()
endpoint = f"http://127.0.0.1:{port}"


def client(service, key="nobody", secret="nothing"):
    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=key,
        aws_secret_access_key=secret,
    )


iam = client("iam")
iam.create_user(UserName=USER)
iam.put_user_policy(UserName=USER, PolicyName="all", PolicyDocument=json.dumps(POLICY))
key = iam.create_access_key(UserName=USER)["AccessKey"]
client("s3", key["AccessKeyId"], key["SecretAccessKey"]).create_bucket(Bucket=BUCKET)
told = {
    "bucket": BUCKET,
    "endpoint": endpoint,
    "key": key["AccessKeyId"],
    "secret": key["SecretAccessKey"],
}
print(json.dumps(told), flush=True)
sys.stdin.read()
