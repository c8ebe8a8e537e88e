"""The sandbox: moto with the life cycles and the refusals of AWS.

How a request travels, one module a concern:

    gate.py      one WSGI application in front of moto; one request at a time
      door.py    who may come in: only who has the sandbox's key, and no browser
      wire.py    reads the request and writes the answer in the service's protocol
      model.py   the request against AWS's API model: what AWS refuses before it looks at anything
      faults.py  throttling, lost answers, denied actions (only when asked for)
      data.py    AWS's API model and its other data, read once
      rules.py   the table of our fixes: before moto, instead of moto, after moto
    clock.py     the emulated clock: what AWS does in minutes, at the chosen pace
    <service>.py the fixes of one service, each with what AWS does and a source

Sources named in comments: "[AWS n]" is a section or row of docs/aws-facts.md,
"model" is the AWS API model that botocore ships.
"""
