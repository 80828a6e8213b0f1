# What ordinary Python programs lean on: numbers, tables, event loops, processes, a database, TLS.
import asyncio
import multiprocessing
import sqlite3
import ssl
import subprocess

import numpy
import pandas


def square(number):
    return number * number


async def talk():
    async def echo(reader, writer):
        writer.write((await reader.readline()).upper())
        await writer.drain()
        writer.close()

    async with await asyncio.start_unix_server(echo, 'echo.sock'):
        reader, writer = await asyncio.open_unix_connection('echo.sock')
        writer.write(b'hello\n')
        assert await reader.readline() == b'HELLO\n'
        writer.close()
    child = await asyncio.create_subprocess_exec('cat', stdin=-1, stdout=-1)
    out, _ = await asyncio.wait_for(child.communicate(b'through a child'), 20)
    assert out == b'through a child'
    assert await asyncio.to_thread(square, 7) == 49


def encrypt():
    # Anonymous key exchange: both ends of a TLS connection without a certificate.
    ends = []
    for protocol, server in ((ssl.PROTOCOL_TLS_SERVER, True), (ssl.PROTOCOL_TLS_CLIENT, False)):
        context = ssl.SSLContext(protocol)
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers('AECDH-AES256-SHA:@SECLEVEL=0')
        if not server:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        ends.append((context.wrap_bio(incoming, outgoing, server_side=server), incoming, outgoing))
    (server, to_server, from_server), (client, to_client, from_client) = ends
    for _ in range(4):
        for end in (client, server):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                pass
            to_server.write(from_client.read())
            to_client.write(from_server.read())
    client.write(b'sealed')
    sealed = from_client.read()
    assert b'sealed' not in sealed
    to_server.write(sealed)
    assert server.read() == b'sealed'


if __name__ == '__main__':
    matrix = numpy.arange(9.0).reshape(3, 3) + numpy.eye(3)
    assert numpy.allclose(matrix @ numpy.linalg.solve(matrix, numpy.ones(3)), 1)
    table = pandas.DataFrame({'kind': list('abab'), 'count': range(4)})
    table.to_csv('table.csv', index=False)
    assert pandas.read_csv('table.csv').groupby('kind')['count'].sum().tolist() == [2, 4]
    asyncio.run(talk())
    with multiprocessing.Pool(2) as pool:
        assert pool.map(square, range(5)) == [0, 1, 4, 9, 16]
    with sqlite3.connect('rows.db') as database:
        database.execute('pragma journal_mode = wal')
        database.execute('create table rows (n integer)')
        database.executemany('insert into rows values (?)', [(n,) for n in range(10)])
        assert database.execute('select sum(n) from rows').fetchone() == (45,)
    assert subprocess.run(['sort'], input='b\na\n', text=True, capture_output=True).stdout == 'a\nb\n'
    encrypt()
    print('python ok')
