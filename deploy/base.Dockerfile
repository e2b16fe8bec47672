# A base for deploy/shem where no image can be pulled: a Debian made by
#   debootstrap --variant=minbase --include=python3-minimal,python3-venv,ca-certificates bookworm root
#   tar -C root -cf root.tar .
# Two stages: what is removed from it would stay in the layer that brought it.
FROM scratch AS whole
ADD root.tar /
# Packages as they were fetched, lists of others, manuals and translations. What Debian's packages
# may be used for (copyright) stays, and so does the compiled standard library, which every start of
# a process would compile again.
RUN rm -rf /var/cache/apt/* /var/cache/debconf/*-old /var/lib/apt/lists/* /var/log/* \
    /usr/share/man /usr/share/locale /usr/share/info /usr/share/i18n/locales \
 && find /usr/share/doc -type f ! -name copyright -delete \
 && find /usr/share/doc -type d -empty -delete \
 && find / -xdev -path "/usr/lib/python3.*" -prune \
    -o -name __pycache__ -prune -exec rm -rf {} +

FROM scratch
COPY --from=whole / /
