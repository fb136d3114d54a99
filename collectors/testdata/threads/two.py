import threading


def count():
    c = 0
    while True:
        c += 1


threading.Thread(target=count, daemon=True).start()
count()
